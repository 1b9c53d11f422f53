"""A page for every method, made of its entry in the registry and its docstring."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import yaml

from scripts.site.demo import of_method
from scripts.site.docstrings import described
from ttame.attention.designs import DESCRIPTIONS
from ttame.explainers.entry import BOTH, Entry, Training
from ttame.explainers.registry import EXPLAINERS
from ttame.params.attention import LossSettings
from ttame.report.markdown import markdown_table

PICTURES = Path("docs/pictures")
KINDS = {
    "learned": "Learned",
    "gradient": "Gradient",
    "perturbation": "Perturbation",
    "integrated": "Integrated",
    "attention": "Attention",
    "control": "Controls",
    "ablation": "Ablation study",
}
COUNTS = {
    "C": "the channels of the target layer",
    "N": "the option that says how many masks or noisy copies",
    "S": "the option `steps`",
}
TERMS = {
    "cross_entropy": "cross-entropy",
    "area": "area",
    "variation": "variation",
    "complement": "a term that asks the rest of the image to lose the class",
}
RANKED = "not the whole mask but a top part of it, drawn anew each time, has to keep the class"
DOI = re.compile(r"\b(10\.\d{4,}/[\w.\-]+[\w])")
ARXIV = re.compile(r"\barXiv (\d{4}\.\d{5})")


def page_of(method: str) -> str:
    """The file of a method's page; a plus sign is awkward in an address."""
    return f"{method.replace('+', 'p')}.md"


def picture_of(method: str) -> Path:
    """The file of a method's picture, which `python -m scripts.method_pictures` draws."""
    return PICTURES / Path(page_of(method)).with_suffix(".webp")


def method_pages() -> dict[str, str]:
    """Markdown by path in the site."""
    pages = {f"methods/{page_of(name)}": _page(name, entry) for name, entry in EXPLAINERS.items()}
    return pages | {"methods/index.md": _list_of_methods()}


def navigation() -> list[Any]:
    """The pages of the methods by kind, for the navigation."""
    kinds = {
        title: [{entry.title: f"methods/{page_of(name)}"} for name, entry in EXPLAINERS.items() if entry.kind == kind]
        for kind, title in KINDS.items()
    }
    return ["methods/index.md", *({title: pages} for title, pages in kinds.items())]


def _page(method: str, entry: Entry) -> str:
    module, _, name = entry.location.partition(":")
    said = described(getattr(importlib.import_module(module), name))
    works_on = "CNNs and transformers" if entry.works_on == BOTH else f"{entry.works_on[0]}s alone"
    kind = KINDS[entry.kind].lower().removesuffix("s")
    prose = said.prose if entry.training is None else f"{_training(entry.training)}\n\n{said.prose}"
    parts = [
        f"# {entry.title}",
        f"`{method}` · {kind} · defined on {works_on}",
        f"!!! warning\n\n    {method}: {entry.notice}." if entry.notice else "",
        prose,
        _picture(method, entry),
        f"## Formula\n\n```text\n{said.formula}\n```",
        f"## Cost\n\n{_cost(entry)}",
        f"## When it fails\n\n{said.limits}",
        f"## In the demo\n\n{_demo(method)}",
        f"## Options\n\n{_options(method, entry)}",
        f"## Use\n\n{_use(method, entry)}",
        f"## Where it comes from\n\n{_cited(entry.citation)}. The code is `{module.replace('.', '/')}.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _training(training: Training) -> str:
    masks = "the image" if training.masks == "image" else "the last feature maps"
    loss = LossSettings(**training.defaults.get("loss", {}))
    terms = [words for key, words in TERMS.items() if getattr(loss, key)]
    *first, last = terms
    said = f"{', '.join(first)} and {last}" if first else f"{last} alone"
    ranked = f" In {100 * loss.ranked_masks:.0f} % of the images {RANKED}." if loss.ranked_masks else ""
    return f"{DESCRIPTIONS[training.design]} In training its map masks {masks}, and the loss is {said}.{ranked}"


def _picture(method: str, entry: Entry) -> str:
    picture = picture_of(method)
    if not picture.exists():
        return ""
    columns = " and ".join(f"on `shapes_{kind}`" for kind in ("cnn", "vit") if kind == "vit" or entry.works_on == BOTH)
    return (
        f"![Maps of {entry.title} over three images](../pictures/{picture.name})\n\n"
        f"*Three images of the embedded data that no list holds, the same for every method: the image, the map "
        f"{columns}. The class is the large patterned object.*"
    )


def _cost(entry: Entry) -> str:
    counts = [
        f"{letter} is {meaning}" for letter, meaning in COUNTS.items() if re.search(rf"\b{letter}\b", entry.passes)
    ]
    explained = f" ({'; '.join(counts)})" if counts else ""
    trained = " After a training, once for each classifier." if entry.needs_training else ""
    return f"Forward + backward passes of the classifier per map: **{entry.passes}**{explained}.{trained}"


def _demo(method: str) -> str:
    table = of_method(method)
    if not table:
        return "Not among the demo's methods: it is compared where an experiment names it."
    return f"{table}\n\n50 images each; [the other methods](../demo.md), [what the numbers mean](../numbers.md)."


def _options(method: str, entry: Entry) -> str:
    if entry.training is not None:
        changed = (
            yaml.safe_dump({method: dict(entry.training.defaults)}, sort_keys=False) if entry.training.defaults else ""
        )
        differs = f", but for\n\n```yaml\n{changed}```\n" if changed else "."
        return f"Those of [`attention`](../reference/params.md#attention), with the same defaults{differs}"
    fields = entry.options.model_fields
    if not fields:
        return "None."
    rows = [[f"`{name}`", f"`{field.default}`", field.description or ""] for name, field in fields.items()]
    table = markdown_table(["Option", "Default", "Meaning"], rows, numbers_from=9)
    return f"`explainers.{method}` in the params, arguments in Python.\n\n{table}"


def _use(method: str, entry: Entry) -> str:
    if method == "ground_truth":
        return "In `methods.training_free` of an experiment on the embedded data."
    checkpoint = " --checkpoint mechanism.safetensors" if entry.needs_training else ""
    argument = ', checkpoint="mechanism.safetensors"' if entry.needs_training else ""
    train = ""
    if entry.needs_training:
        train = f'ttame.train(model, "{method}", images="photos/").save("mechanism.safetensors")\n'
    return (
        f"```sh\npython -m ttame show photo.jpg --method {method}{checkpoint}\n```\n\n"
        f'```python\n{train}result = ttame.Explainer("{method}", model{argument})("photo.jpg")\n```\n\n'
        "[From Python](../python.md) says what `model` is."
    )


def _cited(citation: str) -> str:
    linked = DOI.sub(r"[doi \1](https://doi.org/\1)", citation)
    return ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", linked)


def _list_of_methods() -> str:
    sections = []
    for kind, title in KINDS.items():
        rows = [
            [f"[{entry.title}]({page_of(name)})", f"`{name}`", ", ".join(entry.works_on), entry.passes, entry.citation]
            for name, entry in EXPLAINERS.items()
            if entry.kind == kind
        ]
        table = markdown_table(["Method", "Name", "Defined on", "Passes per map", "Paper"], rows, numbers_from=9)
        sections.append(f"## {title}\n\n{table}")
    return (
        "# The methods\n\nAll explain the same class of the same frozen classifier on the same pixels. Where a paper "
        "and its code differ, or two codes do, the choice is an option, and the default is said on the method's page. "
        "`python -m ttame methods` prints this list; [which one to use](../which_method.md) is a guide.\n\n"
        + "\n\n".join(sections)
    )

from __future__ import annotations

import pytest
import torch

from ttame.errors import is_lack_of_memory, reason_of

OF_URLLIB3 = (
    "HTTPSConnectionPool(host='hub', port=443): Max retries exceeded with url: /" + "a" * 300 + " (Caused by "
    "NameResolutionError(\"Failed to resolve 'hub' ([Errno -2] Name or service not known)\"))"
)


def test_what_a_library_says_stays_whole_where_there_is_room() -> None:
    assert reason_of(OSError("no network.\n  Try later.")) == "no network. Try later"
    assert reason_of(KeyError()) == "KeyError"


def test_what_does_not_fit_ends_with_a_sentence_or_a_word() -> None:
    sentences = "We could not connect. " + "Check your connection or see how to run offline. " * 9
    said = reason_of(OSError(sentences))
    assert said.startswith("We could not connect. Check")
    assert said.endswith("offline")
    assert len(said) <= 240
    assert reason_of(OSError("word " * 100)).endswith("word ...")


def test_of_a_failed_connection_the_cause_is_said() -> None:
    assert reason_of(OSError(OF_URLLIB3)).startswith("NameResolutionError(\"Failed to resolve 'hub'")


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("no more"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_is_a_lack_of_memory(error: Exception, lacks: bool) -> None:
    assert is_lack_of_memory(error) == lacks

// Maps: one byte per cell, coloured here and laid over the image in grey.
const OPACITY = 0.6;

function coloured(encoded, grid) {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const pixels = new ImageData(grid, grid);
  bytes.forEach((value, index) => pixels.data.set([...data.colours[value], 255], 4 * index));
  const canvas = element("canvas", undefined, { width: grid, height: grid });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

const photos = new Map();
function photoOf(image) {
  if (!photos.has(image)) {
    const photo = new Image();
    photo.src = image.photo;
    photos.set(image, photo.decode().then(() => photo));
  }
  return photos.get(image);
}

async function draw(canvas, image, encoded, grid, opacity) {
  const photo = await photoOf(image);
  canvas.width = photo.naturalWidth;
  canvas.height = photo.naturalHeight;
  const context = canvas.getContext("2d");
  context.filter = encoded ? "grayscale(1)" : "none";
  context.drawImage(photo, 0, 0);
  if (!encoded) return;
  context.filter = "none";
  context.globalAlpha = opacity;
  context.imageSmoothingQuality = "high";
  context.drawImage(coloured(encoded, grid), 0, 0, canvas.width, canvas.height);
}

function picture(gallery, image, method, opacity = OPACITY) {
  if (image.photo === null) return element("span", "the image is no longer there", { class: "gone" });
  const what = method ? `${gallery.titles[method]}, map of ` : "";
  const canvas = element("canvas", undefined, { role: "img", "aria-label": `${what}${image.name}, ${image.class}` });
  draw(canvas, image, method ? image.maps[method] : null, gallery.grid, opacity);
  return canvas;
}

function shownMethods(gallery) {
  return Object.keys(gallery.titles).filter((method) => !hidden.has(gallery.kinds[method]));
}

// The picture on top: some images by some methods.
for (const picturesOf of document.querySelectorAll("table.picture")) {
  const gallery = data.galleries[picturesOf.dataset.backbone];
  const { images, methods, measures, leads } = gallery.picture;
  const head = element("tr");
  head.append(element("th", "Image", { scope: "col" }));
  methods.forEach((method, place) => {
    const cell = head.appendChild(element("th", gallery.titles[method], { scope: "col" }));
    if (place === 0) cell.classList.add("leader");
    cell.append(element("small", `${leads[method]} of ${measures}${method === gallery.reference ? ", reference" : ""}`));
  });
  picturesOf.tHead.append(head);
  for (const number of images) {
    const row = picturesOf.tBodies[0].appendChild(element("tr"));
    for (const method of [null, ...methods]) row.appendChild(element("td")).append(picture(gallery, gallery.images[number], method));
  }
}

// Maps: one byte per cell, coloured here and laid over the image in grey.
const OPACITY = 0.6;
const WHOLE = Infinity;

function coloured(encoded, grid) {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const pixels = new ImageData(grid, grid);
  bytes.forEach((value, index) => pixels.data.set([...data.colours[value], 255], 4 * index));
  const canvas = element("canvas", undefined, { width: grid, height: grid });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// By pixel, once per photo, since not every browser knows the filter of a canvas; the weights are those of luminance.
function greyOf(photo) {
  const canvas = element("canvas", undefined, { width: photo.naturalWidth, height: photo.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(photo, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const [red, green, blue] = pixels.data.subarray(at, at + 3);
    pixels.data.fill(0.2126 * red + 0.7152 * green + 0.0722 * blue, at, at + 3);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

async function decoded(image) {
  const photo = new Image();
  photo.src = image.photo;
  await photo.decode();
  return { photo, grey: greyOf(photo), width: photo.naturalWidth, height: photo.naturalHeight };
}

const photos = new Map();
function photoOf(image) {
  if (!photos.has(image)) photos.set(image, decoded(image));
  return photos.get(image);
}

async function draw(canvas, image, encoded, grid, opacity, largest) {
  const { photo, grey, width, height } = await photoOf(image);
  const scale = Math.min(1, largest / Math.max(width, height));
  canvas.width = Math.round(scale * width);
  canvas.height = Math.round(scale * height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(encoded ? grey : photo, 0, 0, canvas.width, canvas.height);
  if (!encoded) return;
  context.globalAlpha = opacity;
  context.drawImage(coloured(encoded, grid), 0, 0, canvas.width, canvas.height);
}

// `largest` is the longer side of the drawing in pixels, where the photo is not smaller.
function picture(gallery, image, method, { opacity = OPACITY, largest = WHOLE } = {}) {
  if (image.photo === null) return element("span", "the image is no longer there", { class: "gone" });
  const what = method ? `${gallery.titles[method]}, map of ` : "";
  const canvas = element("canvas", undefined, { role: "img", "aria-label": `${what}${image.name}, ${image.class}` });
  draw(canvas, image, method ? image.maps[method] : null, gallery.grid, opacity, largest);
  return canvas;
}

function shownMethods(gallery) {
  return Object.keys(gallery.titles).filter((method) => !hidden.has(gallery.kinds[method]));
}

// The picture on top: some images by some methods.
for (const picturesOf of document.querySelectorAll("table.picture")) {
  const gallery = data.galleries[picturesOf.dataset.backbone];
  const { images, methods, leader, measures, leads } = gallery.picture;
  const head = element("tr");
  head.append(element("th", "Image", { scope: "col" }));
  for (const method of methods) {
    const cell = head.appendChild(element("th", gallery.titles[method], { scope: "col" }));
    cell.classList.toggle("leader", method === leader);
    const said = [leader && `${leads[method]} of ${measures}`, method === gallery.reference && "reference"];
    cell.append(element("small", said.filter(Boolean).join(", ")));
  }
  picturesOf.tHead.append(head);
  for (const number of images) {
    const row = picturesOf.tBodies[0].appendChild(element("tr"));
    for (const method of [null, ...methods]) row.appendChild(element("td")).append(picture(gallery, gallery.images[number], method));
  }
}

// Pictures: sharp on any screen, coloured by the page's theme.

/** A colour token of the figure, as three numbers 0-255. */
export function colour(element, token) {
  const probe = getComputedStyle(element).getPropertyValue(`--gm-${token}`).trim();
  return [1, 3, 5].map((i) => parseInt(probe.slice(i, i + 2), 16));
}

/**
 * Draws images of ink on paper into a canvas, side by side in a grid `columns` wide. `ink(i)` gives
 * the i-th image as numbers from 0 (paper) to 1 (ink), `side` × `side`.
 */
export function drawImages(canvas, { columns = 1, rows = 1, side, ink }) {
  canvas.width = columns * side;
  canvas.height = rows * side;
  const paper = colour(canvas, "paper");
  const full = colour(canvas, "ink");
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let image = 0; image < columns * rows; image++) {
    const pixels = ink(image);
    const corner = Math.floor(image / columns) * side * canvas.width + (image % columns) * side;
    for (let i = 0; i < side * side; i++) {
      const at = 4 * (corner + Math.floor(i / side) * canvas.width + (i % side));
      for (let c = 0; c < 3; c++) picture.data[at + c] = paper[c] + (full[c] - paper[c]) * pixels[i];
      picture.data[at + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

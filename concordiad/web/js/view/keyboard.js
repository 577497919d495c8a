/**
 * Room for a phone's keyboard, where the browser lays it over the page instead of making the page smaller.
 *
 * Contract: sets `--height` for as long as a keyboard covers part of the page, and takes it away again. Zooming is no
 * keyboard.
 */

const LEAST_PX = 100;

export function fitKeyboard() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const { style } = document.documentElement;
  viewport.addEventListener("resize", () => {
    const isCovered = Math.abs(viewport.scale - 1) < 0.01 && window.innerHeight - viewport.height > LEAST_PX;
    if (!isCovered) {
      style.removeProperty("--height");
      return;
    }
    style.setProperty("--height", `${viewport.height}px`);
    window.scrollTo(0, 0);
  });
}

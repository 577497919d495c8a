/**
 * The few line drawings of the page, made as elements.
 *
 * Contract: 24 units square, drawn with the text's colour; never without words beside or on them.
 */

const PATHS = {
  send: "M4 12l16-8-6 16-3-7z",
  stop: "M7 7h10v10H7z",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-3.3 2.7-6 6-6s6 2.7 6 6M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.6c1.8.9 3 2.9 3 5.4",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  copy: "M9 9h10v11H9zM5 15V4h10",
  tool: "M14.5 6.5a4 4 0 0 1-5.3 5.3L5 16l3 3 4.2-4.2a4 4 0 0 0 5.3-5.3L15 12l-3-3z",
  thought: "M8 16a5 5 0 1 1 1-9.5A5.5 5.5 0 0 1 19 9a4 4 0 0 1-1 7zM7 20h.01",
  chevron: "M9 6l6 6-6 6",
};
const NAMESPACE = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

"""How well words in pictures can be read, which axe-core does not judge (WCAG 2, 1.4.3)."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

ENOUGH, OF_LARGE = 4.5, 3.0
"""The least contrast of words, and of large ones: 24 px, or 18.66 px and bold."""
_LOOK = """
() => {
  const blend = (over, under) => {
    const [r, g, b, a] = over;
    return [r, g, b].map((each, at) => each * a + under[at] * (1 - a)).concat(1);
  };
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const colour = (text, opacity = 1) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255 * opacity];
  };
  const light = (rgb) => {
    const part = rgb.slice(0, 3).map((each) => {
      const value = each / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const opacity = (each) => {
    let all = 1;
    for (let at = each; at; at = at.parentElement) all *= Number(getComputedStyle(at).opacity);
    return all;
  };
  const paper = (each) => {
    if (!each) return [255, 255, 255, 1];
    const own = colour(getComputedStyle(each).backgroundColor);
    return own[3] === 1 ? own : blend(own, paper(each.parentElement));
  };
  // The colours that a filled shape has: a pattern has those of its lines, and what is between.
  const paints = (shape, under) => {
    const style = getComputedStyle(shape);
    if (style.fill === "none" || style.visibility === "hidden") return under;
    const of = opacity(shape) * Number(style.fillOpacity);
    const pattern = style.fill.match(/^url\\("?#([^")]+)"?\\)/);
    if (!pattern) return under.map((each) => blend(colour(style.fill, of), each));
    const inks = [...document.getElementById(pattern[1]).children].flatMap((part) => {
      const {fill, stroke} = getComputedStyle(part);
      const painted = part.localName === "line" ? [stroke] : [fill, stroke];
      return painted.filter((ink) => ink !== "none");
    });
    return inks.flatMap((ink) => under.map((each) => blend(colour(ink, of), each))).concat(under);
  };
  const grounds = (words, x, y) => {
    const picture = words.ownerSVGElement;
    let found = [paper(picture)];
    for (const shape of picture.querySelectorAll("rect, path, circle, ellipse, polygon")) {
      if (!(words.compareDocumentPosition(shape) & Node.DOCUMENT_POSITION_PRECEDING)) break;
      if (shape.closest("defs")) continue;
      const matrix = shape.getScreenCTM();
      const at = matrix && new DOMPoint(x, y).matrixTransform(matrix.inverse());
      if (at && shape.isPointInFill(at)) found = paints(shape, found);
    }
    return found;
  };
  const told = [];
  for (const words of document.querySelectorAll("svg text")) {
    const style = getComputedStyle(words);
    const box = words.getBoundingClientRect();
    if (!words.textContent.trim() || !box.width || style.visibility === "hidden") continue;
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const halo = style.paintOrder.startsWith("stroke") && style.stroke !== "none"
      && parseFloat(style.strokeWidth) >= 3;
    const behind = halo
      ? [colour(style.stroke)]
      : [0.1, 0.5, 0.9].flatMap((part) =>
          grounds(words, box.x + box.width * part, box.y + box.height / 2));
    const of = opacity(words) * Number(style.fillOpacity);
    const ratios = behind.map((each) => ratio(blend(colour(style.fill, of), each), each));
    told.push({words: words.textContent, contrast: Math.min(...ratios),
      large: size >= 24 || (bold && size >= 18.66)});
  }
  return told;
}
"""


def words_in_pictures(page: Page) -> list[dict[str, Any]]:
    """Each visible text of an SVG: its `words`, its least `contrast`, and whether it is `large`.

    Behind it is the topmost shape that was painted before it, at its beginning, middle and end; or
    its own halo; or the paper.
    """
    return list(page.evaluate(_LOOK))


def hard_to_read(page: Page) -> list[str]:
    """What has too little contrast."""
    return [
        f"{each['words']!r}: {each['contrast']:.2f}"
        for each in words_in_pictures(page)
        if each["contrast"] < (OF_LARGE if each["large"] else ENOUGH)
    ]

"""Which texts of a page are too faint to read, as WCAG counts it: `page.evaluate(FAINT_TEXTS)`."""

from __future__ import annotations

from typing import Final

FAINT_TEXTS: Final = r"""
() => {
  const LEAST = 4.5;
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // Painted one over another, since a colour may be see-through.
  const painted = (colors) => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, 1, 1);
    for (const color of colors) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim(), owner = texts.currentNode.parentElement;
    if (!text || !owner.checkVisibility()) continue;
    const under = [];
    for (let e = owner; e; e = e.parentElement) under.unshift(getComputedStyle(e).backgroundColor);
    const seen = ratio(light(painted(under)), light(painted([...under, getComputedStyle(owner).color])));
    if (seen < LEAST) faint.push(`${text}: ${seen.toFixed(2)}`);
  }
  return faint;
}
"""

"use strict";
// Figures as people read them, and elements that only ever hold text: a host may be named <script>.
window.homecluster = {};
(function (home) {
  home.TERMS = [
    ["compute_s", "arithmetic"], ["memory_s", "reading weights"], ["network_latency_s", "waiting for the network"],
    ["network_transfer_s", "bytes on the network"], ["host_s", "host"], ["idle_s", "idle"],
  ];

  // Characters that steer or turn the text around them are shown as codes, as in the terminal.
  home.plain = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => (c === "\n" || c === "\t" ? c : `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`));

  const shown = (children) => children.flat().map((child) => (child instanceof Node ? child : home.plain(String(child ?? ""))));

  home.element = function (name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...shown(children));
    return made;
  };

  home.fill = function (id, ...children) {
    document.getElementById(id).replaceChildren(...shown(children));
  };

  home.table = function (caption, heads, rows) {
    const e = home.element;
    return e("table", {}, e("caption", {}, caption),
      e("thead", {}, e("tr", {}, heads.map((head) => e("th", { scope: "col", class: head.number ? "number" : "" }, head.text)))),
      e("tbody", {}, rows.map((row) => e("tr", {}, row.map((cell, i) =>
        e("td", { class: heads[i].number ? "number" : "" }, cell))))));
  };

  function figures(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 100) return value.toFixed(0);
    return String(Number(value.toPrecision(3)));
  }
  home.figures = figures;

  home.seconds = function (s) {
    if (s === null || s === undefined) return "unknown";
    if (s < 1e-3) return `${figures(s * 1e6)} µs`;
    if (s < 1) return `${figures(s * 1e3)} ms`;
    if (s < 120) return `${figures(s)} s`;
    return `${figures(s / 60)} min`;
  };

  home.linkRate = function (bytesPerS) {
    const bits = bytesPerS * 8;
    if (bits >= 1e9) return `${figures(bits / 1e9)} Gbit/s`;
    if (bits >= 1e6) return `${figures(bits / 1e6)} Mbit/s`;
    return `${figures(bits / 1e3)} kbit/s`;
  };

  home.bytes = function (n) {
    if (n >= 2 ** 30) return `${figures(n / 2 ** 30)} GiB`;
    if (n >= 2 ** 20) return `${figures(n / 2 ** 20)} MiB`;
    return `${figures(n / 1024)} KiB`;
  };

  home.interval = function (i, unit) {
    return `${figures(i.mid)} ${unit} (${figures(i.low)} to ${figures(i.high)})`;
  };

  home.color = function (name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  };

  home.shapeWords = function (plan) {
    const shape = [];
    if (plan.tensor_parallel > 1) shape.push(`tensor parallel ${plan.tensor_parallel}`);
    if (plan.pipeline_parallel > 1) shape.push(`pipeline of ${plan.pipeline_parallel} (${plan.partition.join(", ")} layers)`);
    if (plan.replicas > 1) shape.push(`${plan.replicas} copies`);
    return shape.join(", ") || "one device";
  };

  home.layoutWords = (plan) => `${home.shapeWords(plan)} on ${plan.nodes.join(" + ")}`;

  // Equal names once, with how many there are.
  home.grouped = (names) => [...new Set(names)].map((name) => [names.filter((n) => n === name).length, name]).map(([n, name]) => (n > 1 ? `${n} × ${name}` : name));

  // Sentences that the terminal says too, in ASCII there.
  home.prose = (text) => text.replace(/(\d) us\b/g, "$1 µs");

  // The link that costs most is the one that a person wants to know about.
  home.dearest = (links) => links.reduce((worst, link) => (!worst || (link.price_s ?? -1) > (worst.price_s ?? -1) ? link : worst), null);

  home.VERDICT = {
    "single-node": "One PC is best", replicas: "A whole copy on each of several PCs is best", "multi-node-worth-it": "One copy over several PCs is best",
    "multi-node-required": "Only several PCs together hold it", "cannot-run": "It cannot run here",
  };

  home.PROVENANCE = {
    calibrated: "fitted to real runs", measured: "measured", catalogue: "typical figures, not measured", assumed: "assumed, not measured",
  };

  home.WORTH = {
    good: "costs little", fair: "costs about as much as computing", costly: "costs more than computing", unknown: "not known",
  };
})(window.homecluster);

"use strict";
// Every link in both directions; one is always chosen, and shows what it costs this model and how it was before.
(function (home) {
  let chosen = null;
  let shown = null;

  const key = (link) => `${link.src}\u0000${link.dst}`;
  const words = (link) => `${home.seconds(link.rtt_s)} · ${home.linkRate(link.bandwidth_bytes_per_s)}`;

  home.chooseLink = function (src, dst) {
    chosen = `${src}\u0000${dst}`;
    if (shown) home.drawMatrix(...shown);
  };

  home.drawMatrix = function (cluster, history) {
    shown = [cluster, history];
    const e = home.element;
    const by = new Map(cluster.links.map((l) => [key(l), l]));
    const link = by.get(chosen) ?? home.dearest(cluster.links);
    const focused = document.activeElement?.dataset?.link;
    home.fill("matrix", table(cluster.nodes.map((n) => n.id), by, link));
    if (focused) document.querySelector(`[data-link="${CSS.escape(focused)}"]`)?.focus();
    home.fill("link-detail", link ? detail(link) : "");
    home.drawHistory(history, link);
  };

  function table(ids, by, link) {
    const e = home.element;
    if (ids.length < 2) return e("p", { class: "faint" }, "One PC only. On another PC of this network type ", e("code", {}, "homecluster join"), ".");
    const rows = ids.map((src) => e("tr", {}, e("th", { scope: "row" }, src), ids.map((dst) => {
      if (src === dst) return e("td", { class: "faint" }, "–");
      const one = by.get(`${src}\u0000${dst}`);
      if (!one) return e("td", { class: "faint" }, "not measured");
      return e("td", {}, e("button", {
        type: "button", class: `cell ${one.worth}`, "data-link": key(one), "aria-pressed": String(one === link),
        "aria-label": `${src} to ${dst}: ${words(one)}, ${home.WORTH[one.worth]}`, onclick: () => home.chooseLink(src, dst),
      }, words(one)));
    })));
    return e("table", { class: "matrix", "aria-describedby": "matrix-words" },
      e("thead", {}, e("tr", {}, e("th", {}, ""), ids.map((id) => e("th", { scope: "col" }, id)))), e("tbody", {}, rows));
  }

  function detail(link) {
    const e = home.element;
    const facts = [
      link.price_s === null ? "" : `tensor parallel over it would wait ${home.seconds(link.price_s)} for each token: ${home.WORTH[link.worth]}`,
      `jitter ${home.seconds(link.jitter_s)}, loss ${home.figures(link.loss_ratio * 100)} %, ${link.medium ? `shares the air of ${link.medium}` : "a medium of its own"}`,
      `${home.PROVENANCE[link.provenance]}${link.observed_at ? `, ${link.observed_at}` : ""}`,
    ];
    return [e("h3", {}, `${link.src} → ${link.dst}: ${words(link)}`), e("ul", {}, facts.filter(Boolean).map((f) => e("li", {}, f)))];
  }
})(window.homecluster);

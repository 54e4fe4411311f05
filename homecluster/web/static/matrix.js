"use strict";
// Every link in both directions; choosing one shows what it costs this model and how it was before.
(function (home) {
  let chosen = null;

  function words(link) {
    return `${home.seconds(link.rtt_s)} · ${home.linkRate(link.bandwidth_bytes_per_s)}`;
  }

  home.drawMatrix = function (cluster, history) {
    const e = home.element;
    const ids = cluster.nodes.map((n) => n.id);
    const by = new Map(cluster.links.map((l) => [`${l.src}\u0000${l.dst}`, l]));
    const focused = document.activeElement?.dataset?.link;
    const rows = ids.map((src) => e("tr", {}, e("th", { scope: "row" }, src), ids.map((dst) => {
      if (src === dst) return e("td", { class: "faint" }, "–");
      const link = by.get(`${src}\u0000${dst}`);
      if (!link) return e("td", { class: "faint" }, "not measured");
      return e("td", {}, e("button", {
        type: "button", class: `cell ${link.worth}`, "data-link": `${src}\u0000${dst}`,
        "aria-label": `${src} to ${dst}: ${words(link)}, ${home.WORTH[link.worth]}`,
        onclick: () => { chosen = `${src}\u0000${dst}`; show(by, history); },
      }, words(link)));
    })));
    home.fill("matrix", ids.length < 2 ? e("p", { class: "faint" }, "One PC only. Type homecluster join on another PC of this network.")
      : e("table", {}, e("caption", {}, "from (row) to (column): round trip · bandwidth"),
        e("thead", {}, e("tr", {}, e("th", {}, ""), ids.map((id) => e("th", { scope: "col" }, id)))), e("tbody", {}, rows)));
    if (focused) document.querySelector(`[data-link="${CSS.escape(focused)}"]`)?.focus();
    show(by, history);
  };

  function show(by, history) {
    const link = by.get(chosen ?? "");
    if (!link) return home.fill("link-detail");
    const e = home.element;
    const facts = [
      `jitter ${home.seconds(link.jitter_s)}, loss ${home.figures(link.loss_ratio * 100)} %`,
      link.medium ? `shares the air of ${link.medium}` : "a medium of its own",
      link.price_s === null ? "" : `tensor parallel over it would wait ${home.seconds(link.price_s)} a token: ${home.WORTH[link.worth]}`,
      `${link.provenance}${link.observed_at ? `, ${link.observed_at}` : ""}`,
    ];
    const past = (history || []).filter((h) => h.src === link.src && h.dst === link.dst);
    home.fill("link-detail", e("p", {}, e("strong", {}, `${link.src} → ${link.dst}: ${words(link)}`)), e("ul", {}, facts.filter(Boolean).map((f) => e("li", {}, f))),
      past.length > 1 ? home.table("earlier", [{ text: "when" }, { text: "round trip", number: true }, { text: "bandwidth", number: true }],
        past.slice(-8).reverse().map((h) => [h.at, home.seconds(h.rtt_s), h.bandwidth_bytes_per_s ? home.linkRate(h.bandwidth_bytes_per_s) : ""])) : "");
  }
})(window.homecluster);

"use strict";
// Every link in both directions; one is always chosen, and shows what it costs this model and how it was before.
(function (home) {
  const MOST_ON_PAPER = 8;
  let chosen = null;
  let shown = null;
  let drawn = "";

  const key = (link) => `${link.src}\u0000${link.dst}`;
  const words = (link) => `${home.seconds(link.rtt_s)} · ${home.linkRate(link.bandwidth_bytes_per_s)}`;

  const unbroken = (text) => text.replaceAll(" ", "\u00a0");

  home.chosenLink = (links) => links.find((l) => key(l) === chosen) ?? home.dearest(links);

  home.chooseLink = function (src, dst) {
    chosen = `${src}\u0000${dst}`;
    if (!shown) return;
    home.drawGraph(shown[0]);
    home.drawMatrix(...shown);
  };

  home.chooseLinkOf = function (pc) {
    const link = home.dearest(shown[0].links.filter((l) => l.src === pc));
    if (link) home.chooseLink(link.src, link.dst);
  };

  home.drawMatrix = function (cluster, history) {
    shown = [cluster, history];
    const link = home.chosenLink(cluster.links);
    home.drawHistory(history, link);
    const ids = cluster.nodes.map((n) => n.id);
    const now = JSON.stringify([ids, cluster.links, link]);
    if (now === drawn) return;
    drawn = now;
    const focused = document.activeElement?.dataset?.link;
    home.fill("matrix", table(ids, new Map(cluster.links.map((l) => [key(l), l])), link), ids.length > MOST_ON_PAPER ? home.element("p", { class: "on-paper" }, `The links of ${ids.length} PCs do not fit on paper.`) : "");
    const again = focused && [...document.querySelectorAll("#matrix button")].find((b) => b.dataset.link === focused);
    if (again) again.focus({ preventScroll: true });
    home.fill("link-detail", link ? detail(link) : "");
    document.getElementById("matrix-words").hidden = ids.length < 2;
  };

  // One stop of the Tab key however many cells there are; arrow keys lead from cell to cell.
  function move(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !event.target.dataset.link) return;
    event.preventDefault();
    const rows = event.currentTarget.tBodies[0].rows;
    let row = event.target.closest("tr").sectionRowIndex, column = event.target.closest("td").cellIndex, cell = null;
    do { row += step[0]; column += step[1]; cell = rows[row]?.cells[column]; } while (cell && !cell.querySelector("button"));
    // Where the row or column ends, the next cell in reading order: two PCs have no two cells in one row.
    const all = [...event.currentTarget.querySelectorAll("button")];
    (cell?.querySelector("button") ?? all[all.indexOf(event.target) + step[0] + step[1]])?.focus();
  }

  function table(ids, by, link) {
    const e = home.element;
    if (ids.length < 2) return e("p", { class: "faint" }, "One PC only. On another PC of this network type ", e("code", {}, "homecluster join"), ".");
    const rows = ids.map((src) => e("tr", {}, e("th", { scope: "row" }, src), ids.map((dst) => {
      if (src === dst) return e("td", { class: "faint" }, "–");
      const one = by.get(`${src}\u0000${dst}`);
      if (!one) return e("td", { class: "faint" }, "not measured");
      return e("td", {}, e("button", {
        type: "button", class: `cell ${one.worth}`, "data-link": key(one), "aria-pressed": String(one === link), tabindex: one === link ? 0 : -1,
        "aria-label": `${src} to ${dst}: ${words(one)}, ${home.WORTH[one.worth]}`, onclick: () => home.chooseLink(src, dst),
      }, unbroken(home.seconds(one.rtt_s)), " · ", unbroken(home.linkRate(one.bandwidth_bytes_per_s))));
    })));
    return e("table", { class: ids.length > MOST_ON_PAPER ? "matrix large" : "matrix", onkeydown: move, "aria-describedby": "matrix-words" },
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

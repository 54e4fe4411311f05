"use strict";
// The home as a graph: PCs, the links between them coloured and drawn as thick as they cost this model.
// A shared medium is the one thing that it is: a hub that its PCs hang on.
(function (home) {
  const MOST_LABELS = 10;
  const MOST_OF_A_NAME = 40;
  const MOST_BOXES = { narrow: 6, wide: 7 };
  const NARROW_PX = 480;
  const RANK = ["unknown", "good", "fair", "costly"];
  // Colour is never alone: the page's style sheet draws the legend's marks as thick as this.
  const WIDTH_PX = { good: 2, fair: 4, costly: 7, unknown: 3 };
  const box = () => document.getElementById("graph");
  let graph = null;
  let shape = "";

  // Another PC names its devices and media: no name may shrink the picture to nothing.
  const short = (name, most = MOST_OF_A_NAME) => home.plain(name.length > most ? `${name.slice(0, most - 1)}…` : name);
  // A long word may be broken where it does not fit.
  const broken = (text) => text.replace(/\S{14}(?=\S{3})/g, "$&\u200b");

  function label(node, isNarrow) {
    const line = (name, memory) => name + (name.length + memory.length > (isNarrow ? 13 : 22) ? "\n" : " · ") + memory;
    const devices = home.grouped(node.devices.map((d) => line(broken(short(d.name).replace(/^NVIDIA (GeForce )?/, "")), home.bytes(d.memory_total_bytes))));
    const state = node.health && node.health !== "alive" ? node.health.toUpperCase() : "";
    return [broken(short(node.id)), ...devices, state].filter(Boolean).join("\n");
  }

  const worse = (a, b) => (RANK.indexOf(a) > RANK.indexOf(b) ? a : b);
  const figures = (link, between) => `${home.seconds(link.rtt_s)}${between}${home.linkRate(link.bandwidth_bytes_per_s)}`;

  // Both directions of a pair as one line, in the colour of the worse one.
  function wires(links, chosen, isNarrow) {
    const pairs = new Map();
    for (const link of links.filter((l) => !l.medium)) {
      const id = [link.src, link.dst].sort().join("\u0000");
      const known = pairs.get(id);
      if (!known || (link.price_s ?? 0) > (known.price_s ?? 0)) pairs.set(id, link);
    }
    return [...pairs.values()].map((l) => ({ data: {
      id: `link ${l.src} ${l.dst}`, source: `node ${l.src}`, target: `node ${l.dst}`, worth: l.worth, label: pairs.size > MOST_LABELS ? "" : figures(l, isNarrow ? "\n" : " · "),
      src: l.src, dst: l.dst, chosen: [l.src, l.dst].includes(chosen?.src) && [l.src, l.dst].includes(chosen?.dst) ? "yes" : "",
    } }));
  }

  function media(links, chosen) {
    return [...new Set(links.map((l) => l.medium).filter(Boolean))].flatMap((name) => {
      const of = links.filter((l) => l.medium === name);
      const slowest = of.reduce((a, b) => (a.rtt_s > b.rtt_s ? a : b));
      const spokes = [...new Set(of.flatMap((l) => [l.src, l.dst]))].map((id) => {
        const own = of.filter((l) => l.src === id || l.dst === id);
        const first = own.reduce((a, b) => ((b.price_s ?? 0) > (a.price_s ?? 0) ? b : a));
        return { data: { id: `air ${name} ${id}`, source: `medium ${name}`, target: `node ${id}`, worth: own.map((l) => l.worth).reduce(worse), label: "", src: first.src, dst: first.dst, chosen: own.includes(chosen) ? "yes" : "" } };
      });
      return [{ data: { id: `medium ${name}`, label: `${broken(short(name))}, shared\n${figures(slowest, " · ")}`, kind: "medium" } }, ...spokes];
    });
  }

  // How it is drawn: boxes where there is room for them, else names beside dots, and the links of one PC.
  function manner(cluster) {
    const pcs = cluster.nodes.length;
    const isNarrow = box().clientWidth < NARROW_PX;
    const isMany = pcs > (isNarrow ? MOST_BOXES.narrow : MOST_BOXES.wide);
    const heights = isNarrow ? [120, 300, pcs > 4 ? 560 : 400] : [120, 150, pcs > 4 ? 420 : 320];
    return { isNarrow, isMany, height: isMany ? Math.ceil(pcs / 2) * 18 + 40 : heights[Math.min(pcs, 3) - 1] };
  }

  function elements(cluster, { isNarrow, isMany }) {
    const chosen = home.chosenLink(cluster.links);
    const links = isMany ? cluster.links.filter((l) => l.src === chosen?.src || l.dst === chosen?.src) : cluster.links;
    const half = Math.ceil(cluster.nodes.length / 2);
    return [
      ...cluster.nodes.map((n, i) => {
        const text = isMany ? short(n.id, isNarrow ? 12 : 24) : label(n, isNarrow);
        return { data: { id: `node ${n.id}`, pc: n.id, label: text, high: Math.max(56, 18 + 17 * text.split("\n").length + (isNarrow ? 14 : 0)), kind: isMany ? "dot" : "node", side: i < half ? "left" : "right", health: n.health || "" } };
      }),
      ...media(cluster.links, chosen), ...wires(links, chosen, isNarrow),
    ];
  }

  function style({ isNarrow, isMany }) {
    const text = { "font-size": 12, color: home.color("ink"), "text-wrap": "wrap", "font-family": "system-ui, sans-serif" };
    const wide = isNarrow ? 120 : 172;
    const edges = RANK.map((worth) => ({
      selector: `edge[worth="${worth}"]`, style: { width: WIDTH_PX[worth] / (isMany ? 2.5 : 1), "line-color": home.color(worth), "line-style": worth === "unknown" ? "dashed" : "solid" },
    }));
    return [
      { selector: "node", style: { ...text, label: "data(label)", "text-valign": "center", "background-color": home.color("ground"), "border-width": 2, "border-color": home.color("accent") } },
      { selector: 'node[kind="node"]', style: { shape: "round-rectangle", width: wide, height: "data(high)", "text-max-width": wide - 10 } },
      { selector: 'node[kind="dot"]', style: { width: 10, height: 10, "text-max-width": 400, "text-margin-x": -4, "text-halign": "left" } },
      { selector: 'node[kind="dot"][side="right"]', style: { "text-halign": "right", "text-margin-x": 4 } },
      { selector: 'node[health="dead"], node[health="left"]', style: { "border-color": home.color("costly"), "border-style": "dashed" } },
      { selector: 'node[health="silent"], node[health="suspect"]', style: { "border-color": home.color("fair"), "border-style": "dashed" } },
      { selector: 'node[kind="medium"]', style: { shape: "ellipse", width: 150, height: 52, "text-max-width": 140, "border-color": home.color("faint"), "border-width": 1, "border-style": "dashed" } },
      { selector: "edge", style: { ...text, label: "data(label)", "text-max-width": 180, "curve-style": "straight", "text-background-color": home.color("card"), "text-background-opacity": 1, "text-background-padding": 3, "text-background-shape": "round-rectangle" } },
      ...edges,
      { selector: 'edge[chosen="yes"]', style: { "underlay-color": home.color("accent"), "underlay-opacity": 0.35, "underlay-padding": 5 } },
    ];
  }

  // PCs on an ellipse, media among them: two PCs stand left and right, on a narrow screen above one another.
  // Many PCs stand in two bows, a line of text apart.
  function places(cluster, { isNarrow, isMany }, width, height) {
    const pcs = cluster.nodes.length;
    const half = Math.ceil(pcs / 2);
    const edge = isNarrow ? 70 : 100;
    const turns = cluster.nodes.map((_, i) => (isNarrow ? -Math.PI / 2 : Math.PI) + (2 * Math.PI * i) / pcs);
    const across = spread(turns.map(Math.cos), edge, width - edge);
    const down = spread(turns.map(Math.sin), 54, height - 54);
    const at = new Map();
    cluster.nodes.forEach((n, i) => {
      if (isMany) {
        const part = (i % half) / Math.max(1, half - 1);
        const out = width / 2 - (isNarrow ? 90 : 160) - 60 * (1 - Math.sin(Math.PI * part));
        at.set(`node ${n.id}`, { x: width / 2 + (i < half ? -out : out), y: 20 + part * (height - 40) });
      } else at.set(`node ${n.id}`, { x: across[i], y: down[i] });
    });
    const names = [...new Set(cluster.links.map((l) => l.medium).filter(Boolean))];
    names.forEach((name, i) => at.set(`medium ${name}`, { x: width / 2, y: height / 2 + (i - (names.length - 1) / 2) * 70 }));
    return at;
  }

  // From edge to edge; what is all at one height stands in the middle.
  function spread(values, from, to) {
    const least = Math.min(...values), range = Math.max(...values) - least;
    return values.map((v) => (range < 1e-6 ? (from + to) / 2 : from + ((v - least) / range) * (to - from)));
  }

  home.drawGraph = function (cluster) {
    const how = manner(cluster);
    const wanted = elements(cluster, how);
    const names = JSON.stringify([how, wanted.map((e) => e.data.id)]);
    if (graph === null) begin();
    if (names === shape) for (const one of wanted) graph.getElementById(one.data.id).data(one.data);
    else graph.json({ elements: wanted });
    graph.style(style(how));
    if (names !== shape) arrange(cluster, how);
    shape = names;
    legend(cluster, how);
    home.fill("nodes", home.table("PCs", [{ text: "PC" }, { text: "state" }, { text: "devices" }, { text: "RAM", number: true }],
      cluster.nodes.map((n) => [
        n.id + (n.is_coordinator ? " (coordinator)" : ""),
        home.element("span", { class: n.health || "" }, n.health || "from a document"),
        home.grouped(n.devices.map((d) => d.name)).join(", "), home.bytes(n.ram_bytes),
      ])));
  };

  // Cytoscape draws a moment later, which is too late for paper: a picture of it is made at once.
  home.graphOnPaper = function (isPaper) {
    document.getElementById("graph-on-paper")?.remove();
    if (isPaper) box().after(home.element("img", { id: "graph-on-paper", class: "on-paper", alt: box().getAttribute("aria-label"), src: graph.png({ scale: 2, bg: home.color("card") }) }));
  };

  function begin() {
    // A finger moves the page, not a PC.
    graph = cytoscape({ container: box(), layout: { name: "preset" }, maxZoom: 1.2, userZoomingEnabled: false, userPanningEnabled: false, boxSelectionEnabled: false, autoungrabify: matchMedia("(pointer: coarse)").matches });
    // Cytoscape would keep a finger that moves from moving the page.
    let hasMoved = false;
    box().addEventListener("touchstart", () => { hasMoved = false; }, { passive: true });
    box().addEventListener("touchmove", (event) => { hasMoved = true; event.stopPropagation(); }, { passive: true });
    graph.on("tap", "edge", (event) => hasMoved || home.chooseLink(event.target.data("src"), event.target.data("dst")));
    graph.on("tap", "node[pc]", (event) => hasMoved || home.chooseLinkOf(event.target.data("pc")));
    new ResizeObserver(() => { shape = ""; home.drawGraph(home.page.cluster); }).observe(box());
    home.graph = graph;
  }

  function legend(cluster, { isMany }) {
    const e = home.element;
    document.getElementById("legend").hidden = cluster.links.length === 0;
    const only = isMany ? e("li", {}, `Links of ${home.chosenLink(cluster.links)?.src}; choose another PC here or a cell below.`) : "";
    home.fill("legend", ["good", "fair", "costly", "unknown"].map((worth) => e("li", {}, e("i", { class: `mark ${worth}` }), home.WORTH[worth])), only);
  }

  function arrange(cluster, how) {
    box().style.height = `${how.height}px`;
    graph.resize();
    for (const [id, place] of places(cluster, how, graph.width(), graph.height())) graph.getElementById(id).position(place);
    graph.fit(undefined, 8);
  }
})(window.homecluster);

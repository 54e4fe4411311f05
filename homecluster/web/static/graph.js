"use strict";
// The home as a graph: PCs, the links between them coloured by what they cost this model, shared media as groups.
(function (home) {
  let graph = null;
  let shape = "";

  function label(node) {
    const devices = node.devices.map((d) => `${d.name} · ${home.bytes(d.memory_total_bytes)}`);
    return [node.id, ...devices, node.health && node.health !== "alive" ? node.health.toUpperCase() : ""].filter(Boolean).join("\n");
  }

  // A shared medium is one thing in the room: it is drawn as a node of its own that its links pass through.
  function pairs(cluster) {
    const worst = new Map();
    for (const link of cluster.links) {
      const key = [link.src, link.dst].sort().join("\u0000");
      const known = worst.get(key);
      if (!known || (link.price_s ?? 0) > (known.price_s ?? 0)) worst.set(key, link);
    }
    return [...worst.values()];
  }

  function elements(cluster) {
    const media = [...new Set(cluster.links.map((l) => l.medium).filter(Boolean))];
    return [
      ...media.map((m) => ({ data: { id: `medium ${m}`, label: m, kind: "medium" } })),
      ...cluster.nodes.map((n) => ({ data: { id: `node ${n.id}`, label: label(n), kind: "node", health: n.health || "" } })),
      ...pairs(cluster).map((l) => ({
        data: {
          id: `link ${l.src} ${l.dst}`, source: `node ${l.src}`, target: `node ${l.dst}`, worth: l.worth,
          label: `${home.seconds(l.rtt_s)} · ${home.linkRate(l.bandwidth_bytes_per_s)}${l.medium ? `\nshared: ${l.medium}` : ""}`,
        },
      })),
      ...media.flatMap((m) => [...new Set(cluster.links.filter((l) => l.medium === m).flatMap((l) => [l.src, l.dst]))]
        .map((id) => ({ data: { id: `air ${m} ${id}`, source: `medium ${m}`, target: `node ${id}`, kind: "air", label: "" } }))),
    ];
  }

  function style() {
    const text = { "font-size": 11, color: home.color("ink"), "text-wrap": "wrap", "text-outline-width": 0 };
    const edges = ["good", "fair", "costly", "unknown"].map((worth) => ({
      selector: `edge[worth="${worth}"]`, style: { "line-color": home.color(worth), "line-style": worth === "unknown" ? "dashed" : "solid" },
    }));
    return [
      { selector: "node", style: { ...text, label: "data(label)", shape: "round-rectangle", width: 150, height: 54, "text-valign": "center", "text-max-width": 142, "background-color": home.color("ground"), "border-width": 2, "border-color": home.color("accent") } },
      { selector: 'node[health="dead"], node[health="left"]', style: { "border-color": home.color("costly"), "border-style": "dashed" } },
      { selector: 'node[health="silent"], node[health="suspect"]', style: { "border-color": home.color("fair"), "border-style": "dashed" } },
      { selector: 'node[kind="medium"]', style: { shape: "ellipse", width: 70, height: 36, "border-color": home.color("line"), "border-style": "dashed" } },
      { selector: "edge", style: { ...text, label: "data(label)", width: 4, "curve-style": "bezier", "text-background-color": home.color("card"), "text-background-opacity": 0.9, "text-background-padding": 2 } },
      { selector: 'edge[kind="air"]', style: { width: 1, "line-style": "dotted", "line-color": home.color("line") } },
      ...edges,
    ];
  }

  home.drawGraph = function (cluster) {
    const wanted = elements(cluster);
    const names = wanted.map((e) => e.data.id).join("\u0001");
    if (graph === null) {
      graph = cytoscape({ container: document.getElementById("graph"), elements: wanted, style: style(), userZoomingEnabled: false, autoungrabify: false });
      home.graph = graph;
    } else if (names !== shape) {
      graph.json({ elements: wanted });
    } else {
      for (const one of wanted) graph.getElementById(one.data.id).data(one.data);
    }
    graph.style(style());
    if (names !== shape) {
      const many = cluster.nodes.length > 12;
      graph.layout(many ? { name: "concentric", animate: false, minNodeSpacing: 10 } : { name: "circle", animate: false, padding: 30 }).run();
      graph.fit(undefined, 20);
      shape = names;
    }
    home.fill("legend", ["good", "fair", "costly", "unknown"].map((worth) => {
      const mark = home.element("i");
      mark.style.background = home.color(worth);
      return home.element("li", {}, mark, home.WORTH[worth]);
    }));
    home.fill("nodes", home.table("PCs", [{ text: "PC" }, { text: "state" }, { text: "devices" }, { text: "memory", number: true }],
      cluster.nodes.map((n) => [
        n.id + (n.is_coordinator ? " (coordinator)" : ""),
        home.element("span", { class: n.health || "" }, n.health || "from a document"),
        n.devices.map((d) => d.name).join(", "), home.bytes(n.ram_bytes),
      ])));
  };
})(window.homecluster);

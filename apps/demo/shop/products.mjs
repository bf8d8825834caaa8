/** What the shop sells. Prices in cents; `since` is the edition that added it. */
const CATALOG = [
  {
    id: "enamel-mug",
    name: "Enamel mug",
    price: 1800,
    line: "Chips with dignity. Holds a long morning.",
    story:
      "Steel under two coats of enamel, fired at 800 degrees. It survives campfires, dishwashers and moving house, and it rings like a small bell when you set it down.",
    since: 1,
  },
  {
    id: "pour-over",
    name: "Pour-over dripper",
    price: 3200,
    line: "One cone, one filter, four quiet minutes.",
    story:
      "Stoneware holds its heat, so the last pour tastes like the first. The ribs are cut deep enough that paper never sticks, and the foot fits every mug we sell.",
    since: 1,
  },
  {
    id: "beeswax-candle",
    name: "Beeswax candle",
    price: 1400,
    line: "Burns for thirty hours, smells of June.",
    story:
      "Poured by hand from the wax of one valley. Nothing is added: no scent, no color, no wick that crackles on purpose.",
    since: 1,
  },
  {
    id: "linen-towel",
    name: "Linen towel",
    price: 2200,
    line: "Stiff today, the softest thing you own by spring.",
    story:
      "Woven from long flax on a narrow loom. It dries glasses without lint and gets better with every wash, which is more than most of us can say.",
    since: 1,
  },
  {
    id: "oak-tray",
    name: "Oak tray",
    price: 4600,
    line: "Carries breakfast, forgives spills.",
    story:
      "Cut from one board, so the grain runs through. Oiled, not lacquered: a stain is sanded away in a minute, or kept as a memory.",
    since: 1,
  },
  {
    id: "copper-kettle",
    name: "Copper kettle",
    price: 8900,
    line: "A thin spout and all the patience in the world.",
    story:
      "Spun from a single sheet and tinned inside. The spout pours a thread of water exactly where you look, and the handle stays cool enough to hold.",
    since: 2,
  },
];

/** The products of one edition. */
export function productsOf(edition) {
  return CATALOG.filter(({ since }) => since <= edition).map(
    ({ id, name, price, line, story }) => ({ id, name, price, line, story }),
  );
}

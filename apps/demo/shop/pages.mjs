const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** The front page: every product of the edition. */
export function frontPage(edition) {
  const cards = edition.products.map((product) => card(product, edition)).join("\n");
  return page({
    edition,
    root: "",
    title: "Harbor & Pine",
    body: `<section class="hero">
  <p class="eyebrow">${escape(edition.season)}</p>
  <h1>${escape(edition.headline)}</h1>
  <p class="lead">A handful of things for the table, made by people we know, meant to be used every day.</p>
</section>
<ul class="grid">
${cards}
</ul>`,
  });
}

/** The page of one product. */
export function productPage(product, edition) {
  return page({
    edition,
    root: "../../",
    title: `${product.name} · Harbor & Pine`,
    body: `<p class="back"><a href="../../">← Everything</a></p>
<article class="product">
  <img src="../../${edition.assets[product.id]}" alt="${escape(product.name)}" width="520" height="520">
  <div>
    <h1>${escape(product.name)}</h1>
    <p class="price">${money(product.price)}</p>
    <p>${escape(product.story)}</p>
    <button data-product="${product.id}">Add to basket</button>
    <p class="hint" role="status"></p>
  </div>
</article>`,
  });
}

function card({ id, name, price, line }, { assets }) {
  return `<li class="card">
  <a href="products/${id}/">
    <img src="${assets[id]}" alt="" width="260" height="260" loading="lazy">
    <span class="name">${escape(name)}</span>
    <span class="price">${money(price)}</span>
    <span class="line">${escape(line)}</span>
  </a>
</li>`;
}

function page({ edition, root, title, body }) {
  const { assets, number, note } = edition;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="edition" content="${number}">
<title>${escape(title)}</title>
<link rel="stylesheet" href="${root}${assets.style}">
<link rel="icon" href="${root}${assets.icon}" type="image/svg+xml">
<script type="module" src="${root}${assets.script}"></script>
</head>
<body>
${note === undefined ? "" : `<p class="note">${escape(note)}</p>\n`}<header>
  <a class="brand" href="${root || "./"}">Harbor <i>&amp;</i> Pine</a>
  <p class="basket">Basket <output>0</output></p>
</header>
<main>
${body}
</main>
<footer>
  <p>Edition ${number}. Set in whatever your system has, shipped in one piece.</p>
</footer>
</body>
</html>
`;
}

function money(cents) {
  return `€ ${(cents / 100).toFixed(2)}`;
}

function escape(text) {
  return text.replaceAll(/[&<>"]/g, (sign) => ESCAPES[sign]);
}

// The basket lives in the service; pages served without it still show every product.
const count = document.querySelector(".basket output");
const hint = document.querySelector(".hint");

function show({ items }) {
  count.textContent = String(items.reduce((sum, { quantity }) => sum + quantity, 0));
}

async function ask(options) {
  const response = await fetch("/api/cart", options);
  if (!response.ok) throw new Error(`The basket answered ${response.status}.`);
  show(await response.json());
}

async function add(id) {
  const headers = { "content-type": "application/json" };
  try {
    await ask({ method: "POST", headers, body: JSON.stringify({ id, quantity: 1 }) });
    hint.textContent = "It is in your basket.";
  } catch {
    hint.textContent = "The basket is closed right now; the shop window is not.";
  }
}

for (const button of document.querySelectorAll("button[data-product]")) {
  button.addEventListener("click", () => void add(button.dataset.product));
}
ask().catch(() => undefined);

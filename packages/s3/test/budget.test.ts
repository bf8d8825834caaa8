import { expect, it } from "vitest";
import { createBudget } from "../src/budget.ts";

it("holds no more than it may, lets in what is larger alone, and keeps the order", async () => {
  const budget = createBudget(10);
  const log: string[] = [];
  let held = 0;
  const act = (name: string, bytes: number): Promise<void> =>
    budget.run(bytes, async () => {
      held += bytes;
      log.push(name);
      expect(held).toBeLessThanOrEqual(Math.max(10, bytes));
      await new Promise((resolve) => setImmediate(resolve));
      held -= bytes;
    });

  await Promise.all([
    act("a", 6),
    act("b", 4),
    act("c", 30),
    act("d", 1),
    act("e", 9),
    act("f", 1),
  ]);

  expect(log).toEqual(["a", "b", "c", "d", "e", "f"]);
});

it("gives room back when something fails", async () => {
  const budget = createBudget(1);

  await expect(budget.run(1, () => Promise.reject(new Error("no")))).rejects.toThrow("no");

  expect(await budget.run(1, async () => "yes")).toBe("yes");
});

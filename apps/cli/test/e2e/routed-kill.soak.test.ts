import { expect, it } from "vitest";
import { killAndRecover, openRoutedSite } from "./routed-kill.ts";

it("a site behind CloudFront is old or new and whole at every moment, and recovered, killed at every request", async () => {
  await using site = await openRoutedSite();
  await site.run(1);
  const { exit, asked, said } = await site.run(2);
  expect(exit, said).toBe(0);
  let killed = 0;
  for (let point = 0; point < asked * 2; point += 1) {
    killed += (await killAndRecover(site, { point, edition: point + 3 })) ? 1 : 0;
  }
  process.stdout.write(`${asked} requests, ${killed} kills of ${asked * 2}\n`);
  expect(killed).toBeGreaterThanOrEqual(asked * 2 - 8);
}, 3_600_000);

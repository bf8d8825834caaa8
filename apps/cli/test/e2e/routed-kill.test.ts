import { sampleOf } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { killAndRecover, openRoutedSite } from "./routed-kill.ts";

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);

it("a site behind CloudFront is old or new and whole at every moment, and recovered, killed anywhere: a sample", async () => {
  await using site = await openRoutedSite();
  const first = await site.run(1);
  expect([first.exit, site.visible()], first.said).toEqual([0, "edition 1"]);
  const { exit, asked, said } = await site.run(2);
  expect([exit, site.visible()], said).toEqual([0, "edition 2"]);
  const chosen = sampleOf(asked * 2, { kills: 10, seed: SEED });
  let killed = 0;
  for (const [index, point] of chosen.entries()) {
    killed += (await killAndRecover(site, { point, edition: index + 3 })) ? 1 : 0;
  }
  process.stdout.write(`${asked} requests, ${killed} kills, LOCKSTEP_SEED=${SEED}\n`);

  expect(killed).toBeGreaterThanOrEqual(8);
}, 300_000);

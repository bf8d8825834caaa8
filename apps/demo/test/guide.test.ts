import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newUser } from "./user.ts";

const GUIDE = join(import.meta.dirname, "../../../docs/getting-started.md");

/** All that the guide says to type, as one script. */
function scriptOf(guide: string): string {
  const fences = [...guide.matchAll(/^```(sh|ts)\n([\s\S]*?)^```$/gm)];
  const blocks = fences.map(([, language, code = ""]) =>
    language === "sh" ? code : `cat >lockstep.config.ts <<'CONFIG'\n${code}CONFIG\n`,
  );
  return blocks.join("\n");
}

describe("the guide for beginners", () => {
  it("works as it is written, block by block", async () => {
    await using user = await newUser();
    const { address, port, folder } = user.host;
    const script = scriptOf(await readFile(GUIDE, "utf8"))
      .replaceAll("deploy@web-1.shop.example", `deploy@${address}:${port}`)
      .replaceAll("/srv/shop", join(folder, "shop"));

    const { exit, screen } = await user.types(script);

    expect(exit, screen).toBe(0);
    expect(screen).toContain("exit 31\n");
    const page = await readFile(join(folder, "shop/current/index.html"), "utf8");
    expect(page).toBe("<h1>Shop, first edition</h1>\n");
  }, 60_000);
});

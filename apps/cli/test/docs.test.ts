import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { artifactErrors } from "@lockstep/artifact";
import { coreErrors } from "@lockstep/core";
import { exitOf } from "@lockstep/events";
import { type ErrorCatalogue, LockstepError, pluginErrors } from "@lockstep/plugin";
import { registryErrors } from "@lockstep/registry";
import { s3Errors } from "@lockstep/s3";
import { sshErrors } from "@lockstep/ssh";
import { afterAll, describe, expect, it } from "vitest";
import { cliErrors } from "../src/errors.ts";
import { runProgram } from "../src/program.ts";
import type { Shell } from "../src/shell.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PAGES = ["README.md", ...pagesIn("docs"), ...pagesIn("docs/targets")];

/** Ignored by git, and below the package whose dependencies the pages may use. */
const SCRATCH = join(import.meta.dirname, "../.reports/docs");
afterAll(() => rmSync(SCRATCH, { recursive: true, force: true }));

function pagesIn(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".md"));
  return names.map((name) => `${folder}/${name}`).toSorted();
}

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

/** Link targets inside the project, without those in code. */
function linksOf(page: string): string[] {
  const prose = textOf(page).replaceAll(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = ""]) => link);
}

function blocksOf(page: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm");
  return [...textOf(page).matchAll(fence)].map(([, code = ""]) => code);
}

describe("the error page", () => {
  it("has one section for each code of the catalogues, and says what they say", async () => {
    const page = [
      "# Errors\n",
      "Every code, with when it is raised, why Lockstep stops there, and what to do. `lockstep explain CODE` prints the same. This page is made from the catalogues in the source; a test keeps it so.\n",
      section("The runner", "@lockstep/core", coreErrors),
      section("Any target", "@lockstep/plugin", pluginErrors),
      section("Sources", "@lockstep/artifact", artifactErrors),
      section("Servers over SSH", "@lockstep/ssh", sshErrors),
      section("Images in registries", "@lockstep/registry", registryErrors),
      section("Static sites in S3", "@lockstep/s3", s3Errors),
      section("The command line", "lockstep", cliErrors),
    ].join("\n");

    await expect(page).toMatchFileSnapshot(join(ROOT, "docs/errors.md"));
  });
});

function section(title: string, plugin: string, catalogue: ErrorCatalogue): string {
  const codes = Object.keys(catalogue).toSorted();
  const entries = codes.map((code) => {
    const { when = "", why = "", fix = "" } = catalogue[code] ?? {};
    return `### ${code}\n\n${when}\n\n**Why:** ${why}\n\n**What to do:** ${fix}\n`;
  });
  return `## ${title}\n\nFrom \`${plugin}\`.\n\n${entries.join("\n")}`;
}

describe("the page of the command line", () => {
  it("has every flag that the commands have, and no other", async () => {
    const commands =
      "plan deploy apply status doctor history rollback recover unlock config plugins explain".split(
        " ",
      );
    const helps = await Promise.all([helpOf(), ...commands.map((name) => helpOf(name))]);

    expect(flagsIn(textOf("docs/cli.md"))).toEqual(flagsIn(helps.join("\n")));
  });
});

function flagsIn(text: string): readonly string[] {
  const flags = [...text.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag);
  return [...new Set(flags)].toSorted();
}

async function helpOf(...words: readonly string[]): Promise<string> {
  let help = "";
  const shell = { argv: [...words, "--help"], out: (text: string) => (help += text) };
  await runProgram(shell as unknown as Shell);
  return help;
}

describe("the page about recovery", () => {
  it("names the exit code of every refusal", () => {
    const rows = [...textOf("docs/recovery.md").matchAll(/\| `([A-Z_]+)` +\| (\d+) +\|/g)];
    const written = rows.map(([, code, exit]) => [code, Number(exit)]);

    const real = rows.map(([, code = ""]) => [
      code,
      exitOf(new LockstepError({ code, message: "" })),
    ]);

    expect(written.length).toBe(8);
    expect(written).toEqual(real);
  });
});

describe("the pages", () => {
  it.each(PAGES)("%s links to what is there", (page) => {
    const links = linksOf(page).map((link) => link.split("#", 1)[0] ?? "");

    const missing = links.filter((link) => !existsSync(join(ROOT, dirname(page), link)));

    expect(missing).toEqual([]);
  });

  it("explain each word with a name that its file has", () => {
    const pairs = [...textOf("docs/concepts.md").matchAll(/\[`(\w+)`\]\(\.\.\/([^)]+)\)/g)];

    const wrong = pairs.filter(
      ([, name = "", file = ""]) => !new RegExp(`\\b${name}\\b`).test(textOf(file)),
    );

    expect(pairs.length).toBeGreaterThan(30);
    expect(wrong.map(([link]) => link)).toEqual([]);
  });

  it("show only TypeScript that compiles", () => {
    const blocks = PAGES.flatMap((page) =>
      blocksOf(page, "ts").map((code, index) => ({
        name: `${page.replaceAll(/\W/g, "-")}-${index}.ts`,
        code,
      })),
    );

    const problems = compile(blocks);

    expect(blocks.length).toBeGreaterThan(5);
    expect(problems).toEqual([]);
  }, 60_000);
});

/** What the compiler says about the blocks; what it says about packages is for their own type check. */
function compile(
  blocks: readonly { readonly name: string; readonly code: string }[],
): readonly string[] {
  mkdirSync(SCRATCH, { recursive: true });
  for (const { name, code } of blocks) writeFileSync(join(SCRATCH, name), code);
  const config = {
    extends: relative(SCRATCH, join(ROOT, "tsconfig.base.json")),
    files: blocks.map(({ name }) => name),
    compilerOptions: {
      declaration: false,
      isolatedDeclarations: false,
      paths: { zod: [relative(SCRATCH, join(ROOT, "packages/http/node_modules/zod/index.d.ts"))] },
    },
  };
  writeFileSync(join(SCRATCH, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const { stdout, error } = spawnSync(process.execPath, [tsc, "--pretty", "false"], {
    cwd: SCRATCH,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  return stdout.split("\n").filter((line) => line !== "" && !line.startsWith("../"));
}

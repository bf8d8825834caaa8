import { deploy, type Wanted } from "../bench/deploy.ts";

const [told = "{}"] = process.argv.slice(2);
await deploy(JSON.parse(told) as Wanted);
// kibibytes, the most that were ever held at once
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);

import { describeSiteMemory } from "./memory.ts";

describeSiteMemory({ files: 100_000, mostMiB: 250 });

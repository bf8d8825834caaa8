import { describeSiteMemory } from "./memory.ts";

describeSiteMemory({ files: 100_000, bytes: 4096, mostMiB: 238 });

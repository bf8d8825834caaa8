import { describeSiteMemory } from "./memory.ts";

describeSiteMemory({ files: 5_000, bytes: 4096, mostMiB: 190 });

import { describeSiteMemory } from "./memory.ts";

describeSiteMemory({ files: 5_000, mostMiB: 200 });

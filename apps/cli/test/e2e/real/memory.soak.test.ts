import { describeHostMemory } from "./memory-host.ts";

describeHostMemory({ files: 50_000, mostMiB: 250 });

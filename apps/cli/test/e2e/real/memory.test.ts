import { describeHostMemory } from "./memory-host.ts";

describeHostMemory({ files: 5_000, mostMiB: 180 });

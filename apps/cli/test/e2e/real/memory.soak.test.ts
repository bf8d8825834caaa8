import { describeHostMemory } from "./memory-host.ts";

describeHostMemory({ files: 50_000, bytes: 512, mostMiB: 238 });
describeHostMemory({ files: 50_000, bytes: 4096, mostMiB: 238 });

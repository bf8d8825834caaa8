import { describeHostMemory } from "./memory-host.ts";

describeHostMemory({ files: 5_000, bytes: 512, mostMiB: 160 });

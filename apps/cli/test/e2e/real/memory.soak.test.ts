import { describeHostMemory } from "./memory-host.ts";

describeHostMemory({ files: 50_000, bytes: 512, mostMiB: 250 });

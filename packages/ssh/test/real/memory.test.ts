import { describeMemory } from "../memory.ts";

describeMemory({ files: 5_000, filesForMany: 200, mostMiB: 250 });

import { describeMemory } from "../memory.ts";

describeMemory({ files: 50_000, filesForMany: 2_000, mostMiB: 400 });

import { describeBreaks, describeCrashes } from "../sweep/real-hosts.ts";
import { FURNISHED } from "./furnished.ts";

describeCrashes(FURNISHED, {});
describeBreaks(FURNISHED, { positions: 100 });

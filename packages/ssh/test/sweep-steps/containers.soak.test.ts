import { describeContainerSweeps } from "./containers.ts";

describeContainerSweeps({ kills: 40, positions: 20, seed: 1 });

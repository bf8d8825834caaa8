import { describeContainerSweeps } from "./containers.ts";
describeContainerSweeps({ kills: 5, positions: 1, seed: 7 });

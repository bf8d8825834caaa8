import { describeKilledWriters } from "../killed-writers.ts";

describeKilledWriters(4);

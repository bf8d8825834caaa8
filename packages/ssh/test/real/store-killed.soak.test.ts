import { describeKilledWriters } from "../killed-writers.ts";

describeKilledWriters(100);

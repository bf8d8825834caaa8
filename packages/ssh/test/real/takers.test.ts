import { describeTakers } from "../takers.ts";

describeTakers(20);

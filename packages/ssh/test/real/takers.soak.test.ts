import { describeTakers } from "../takers.ts";

describeTakers(300);

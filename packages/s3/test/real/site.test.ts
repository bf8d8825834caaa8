import { describeSite, onGateway } from "./site.ts";

describeSite("a Ceph RADOS gateway", onGateway);

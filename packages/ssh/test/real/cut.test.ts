import { describeCutUploads } from "../cut-uploads.ts";

describeCutUploads(25);

import type { View } from "../page";
export const timelapseView: View = { id: "timelapse", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };

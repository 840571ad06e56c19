"""What someone else wrote: folders, settings and headers, looked at without trust and without reading much. No torch."""

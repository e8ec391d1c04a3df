"""The report: one static page that people choose on, made from evidence."""

"""Tables, figures, maps and pages, as pure functions of rows."""

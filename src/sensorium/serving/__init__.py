"""A run behind HTTP: `sensorium serve`. `app.create_app` makes the application, `server.serve` runs it."""

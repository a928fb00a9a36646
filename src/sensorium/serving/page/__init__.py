"""A web page on a run: plain HTML that asks the server's own paths. `routes.mount` puts it on an application."""

"""The HTTP application: data plane, admin API, sign-in, error handler."""

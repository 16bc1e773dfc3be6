"""What each verb of the command line does: asks `bootstrap` for what it needs, prints what comes back."""

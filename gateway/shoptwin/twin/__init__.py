"""The live twin: the latest value of every tag, what each machine is doing, and figures per minute and hour."""

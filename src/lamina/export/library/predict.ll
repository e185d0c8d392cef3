define i32 @${name}_predict(ptr %rows, i64 %count, ptr %values$parameter) nounwind {
entry:
  %status = alloca i32
  store i32 0, ptr %status
  %empty = icmp eq i64 %count, 0
  br i1 %empty, label %done, label %look
look:
  %no_rows = icmp eq ptr %rows, null
  %no_values = icmp eq ptr %values, null
  %no_classes = icmp eq ptr $classes, null
  %no_place = and i1 %no_values, %no_classes
  %too_many = icmp slt i64 %count, 0
  %wrong = or i1 %no_rows, %no_place
  %refused = or i1 %wrong, %too_many
  br i1 %refused, label %bad, label %run
run:
  call void @predict_rows(ptr %rows, ptr %values, ptr $classes, i64 %count, ptr %status)
  br label %done
bad:
  store i32 -1, ptr %status
  br label %done
done:
  %result = load i32, ptr %status
  ret i32 %result
}
